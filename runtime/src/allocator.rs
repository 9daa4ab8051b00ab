//! How the C library's allocator treats memory that is freed.
//!
//! By default glibc raises the size from which it takes a piece of memory from the system and gives it back, up to 32
//! MiB, as soon as a larger piece is freed once. It also keeps as much again at the end of every thread's arena. A host
//! that reads and writes documents of many megabytes on several threads then keeps most of it for ever. After 10,500
//! hostile deliveries (`prove containment`) it held 194 MiB more than after the first 480. With the thresholds that are
//! set here, it held 62 MiB more.

/// A piece of this size or more goes back to the system when it is freed. Only large documents and full batches are
/// larger.
#[cfg(target_env = "gnu")]
const MMAP_THRESHOLD: libc::c_int = 512 << 10;
/// How much free memory an arena may keep at its end.
#[cfg(target_env = "gnu")]
const TRIM_THRESHOLD: libc::c_int = 4 << 20;

/// Makes the C library give freed memory back to the system. Call it before there are threads.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "the C library's settings have no safe interface")]
pub fn give_back_what_is_freed() {
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD), (libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD)] {
        // SAFETY: it only stores a number, and no other thread allocates yet.
        let set = unsafe { libc::mallopt(parameter, value) };
        debug_assert_eq!(set, 1, "glibc takes every value of these");
    }
}

/// Leaves other C libraries as they are.
#[cfg(not(target_env = "gnu"))]
pub const fn give_back_what_is_freed() {}
