//! Another static library of Rust, with std: it catches a panic, and so needs its own personality.

/// The length of a text that was allocated after a caught panic.
#[unsafe(no_mangle)]
pub extern "C" fn other_length() -> u32 {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| panic!("caught"));
    String::from(if caught.is_err() { "caught"[1..].trim() } else { "" }).len() as u32
}
