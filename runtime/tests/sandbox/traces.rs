//! A trap's trace, whatever the component's names and debug information contain.

use weir_core::call::{Run, StopKind};
use weir_sandbox::Limits;

use crate::fixture::{Guest, call, event, handling, stopped};

async fn trap(top: &str, body: &str) -> Run {
    let run = handling(top, body).deliver(Limits::default()).await;
    assert_eq!(stopped(&run).kind, StopKind::Trap, "{}", stopped(&run).message);
    run
}

fn trace(run: &Run) -> &str {
    stopped(run).backtrace.as_deref().expect("a trace")
}

/// Returns a function of this name, which traps.
fn named(name: &str) -> String {
    format!("(func $traps (@name \"{name}\") unreachable)")
}

#[tokio::test]
async fn names_that_grow_when_they_are_demangled_stay_small() {
    // Each step names the one before it twice. The 30 steps would be 18 GB of C++.
    let cpp: String = (0..30).map(|step| format!("S_IS{step}_S{step}_E")).collect::<Vec<_>>().concat();
    for name in [format!("_Z1f1PIiiE{cpp}"), "n".repeat(90_000), format!("_RINvC1a1f{}E", "TB7_B7_E".repeat(50))] {
        let run = trap(&named(&name), "(call $traps)").await;
        assert!(trace(&run).len() <= 16 << 10, "{} bytes", trace(&run).len());
        assert!(trace(&run).contains("handle"), "{}", trace(&run));
    }
}

#[tokio::test]
async fn a_deep_stack_of_long_names_is_cut() {
    let name = "deep".repeat(20_000);
    let top = format!(
        "(func $deep (@name \"{name}\") (param i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            (call $deep (i32.sub (local.get 0) (i32.const 1))))"
    );
    let run = trap(&top, "(call $deep (i32.const 100))").await;
    assert!(trace(&run).len() <= 16 << 10, "{} bytes", trace(&run).len());
    assert_eq!(trace(&run).lines().count(), 32);
}

/// Returns sections of debug information that nest a million inlined functions with a name of 4 MB each. Reading them
/// takes a stack of hundreds of megabytes, or as many gigabytes of names.
fn nested_debug_information() -> String {
    // 1: a unit, 2: a function with an address, 3: an inlined function with a name.
    let abbreviations = r"\01\11\01\00\00\02\2e\01\11\01\12\06\00\00\03\1d\01\03\0e\00\00\00";
    let unit = r"\01\02\00\00\00\00\ff\ff\ff\7f";
    let inlined = r"\03\00\00\00\00".repeat(1_000_000);
    let length = 7_u32 + 10 + 5_000_000;
    let length: String = length.to_le_bytes().map(|byte| format!("\\{byte:02x}")).concat();
    let name = "n".repeat(4_000_000);
    format!(
        "(@custom \".debug_abbrev\" \"{abbreviations}\")
         (@custom \".debug_info\" \"{length}\\04\\00\\00\\00\\00\\00\\04{unit}{inlined}\")
         (@custom \".debug_str\" \"{name}\\00\")"
    )
}

#[tokio::test]
async fn debug_information_is_not_parsed() {
    let debug = nested_debug_information();
    let handler = handling(&debug, "unreachable").load(Limits::default()).await.expect("loads");
    for _ in 0..10 {
        let run = handler.deliver(call(event()).await).await;
        assert!(trace(&run).starts_with("0: handle"), "{}", trace(&run));
    }
}

#[tokio::test]
async fn describe_has_the_same_bounds() {
    let top = named(&"d".repeat(90_000));
    let guest = Guest { top: &top, describe: "(call $traps)", ..Guest::default() };
    let error = guest.load(Limits::default()).await.expect_err("it traps").to_string();
    assert!(error.contains("unreachable") && error.len() < 1_000, "{error}");
}
