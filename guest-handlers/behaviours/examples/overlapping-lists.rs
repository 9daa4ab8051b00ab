//! Passes a list of `count` texts that are all the same memory. Stopped by the boundary.

use weir_sdk::prelude::*;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    count: Option<usize>,
    bytes: Option<usize>,
}

/// Uses the bare ABI: a list is an address and a count, and each of its texts an address and a length. Nothing forbids
/// that they are the same.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the bare ABI is what this guest is about")]
fn pass(count: usize, bytes: usize) {
    /// A text, as in the ABI.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Text {
        address: *const u8,
        length: usize,
    }

    #[link(wasm_import_module = "weir:handler/documents@0.1.0")]
    unsafe extern "C" {
        #[link_name = "insert-many"]
        fn insert_many(
            collection: *const u8,
            collection_len: usize,
            documents: *const Text,
            documents_len: usize,
            has_options: i32,
            options: *const u8,
            options_len: usize,
            result: *mut u8,
        );
    }

    let mut document = String::from("{\"a\":\"");
    document.extend(std::iter::repeat_n('a', bytes));
    document.push_str("\"}");
    let documents = vec![Text { address: document.as_ptr(), length: document.len() }; count];
    let name = "overlaps";
    let mut result = [0_u64; 4];
    // The addresses and lengths are those of live values, and the result's 20 bytes fit the aligned array.
    unsafe {
        insert_many(
            name.as_ptr(),
            name.len(),
            documents.as_ptr(),
            documents.len(),
            0,
            std::ptr::null(),
            0,
            result.as_mut_ptr().cast(),
        );
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn pass(_count: usize, _bytes: usize) {}

struct OverlappingLists;

impl Handler for OverlappingLists {
    type Payload = Payload;
    const EVENTS: &[&str] = &["OverlappingLists"];
    const GRANTS: &[Grant] = &[write("overlaps")];
    const DESCRIPTION: &str = "Passes a list of `count` texts that are all the same memory.";

    fn handle(&self, event: Event<Payload>) -> Result {
        pass(event.payload.count.unwrap_or(3_000), event.payload.bytes.unwrap_or(1 << 20));
        Ok(())
    }
}
weir_sdk::export!(OverlappingLists);
