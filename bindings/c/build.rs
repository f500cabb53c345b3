//! Gives the shared library its name for the loader.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,librecast.so.0");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
