/* Links the static library and asks it for its proof. */
int recast_core_proof(void);

int main(void)
{
    return recast_core_proof();
}
