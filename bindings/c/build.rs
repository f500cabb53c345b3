//! Gives the shared library its name for the loader, and leaves out unwind tables.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the folder");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,librecast.so.0");
        println!("cargo:rustc-cdylib-link-arg=-Wl,--no-eh-frame-hdr,--build-id=none");
        println!("cargo:rustc-cdylib-link-arg=-T{folder}/discard.ld");
        // the library has no constructors
        println!("cargo:rustc-cdylib-link-arg=-nostartfiles");
        println!("cargo:rerun-if-changed=discard.ld");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
