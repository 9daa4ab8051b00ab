//! Stores what it can see of the world around it: arguments, variables, folders, the input.

use std::io::Read;

use weir_sdk::prelude::*;

struct ReportsEnvironment;

impl Handler for ReportsEnvironment {
    type Payload = Json;
    const EVENTS: &[&str] = &["ReportsEnvironment"];
    const GRANTS: &[Grant] = &[write("environments")];
    const DESCRIPTION: &str = "Stores what it can see of the world around it.";

    fn handle(&self, event: Event<Json>) -> Result {
        let mut input = String::new();
        let read = std::io::stdin().read_to_string(&mut input);
        collection("environments").insert_one(doc! {
            "_id": event.id,
            "arguments": std::env::args().collect::<Vec<_>>(),
            "variables": std::env::vars().map(|(name, _)| name).collect::<Vec<_>>(),
            "folder": std::env::current_dir().ok().map(|path| path.display().to_string()),
            "listed": ["/", ".", "/etc", "/tmp"].map(|path| std::fs::read_dir(path).is_ok()),
            "written": std::fs::write("/tmp/weir", "here").is_ok(),
            "input": read.ok().map(|_| input),
        })?;
        Ok(())
    }
}
weir_sdk::export!(ReportsEnvironment);
