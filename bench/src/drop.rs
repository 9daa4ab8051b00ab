//! Drops what a run has left in MongoDB.

use anyhow::Result;
use mongodb::Client;
use serde_json::{Value, json};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    mongodb: String,
    /// The databases.
    names: Vec<String>,
}

pub(crate) async fn run(args: &Args) -> Result<Value> {
    let client = Client::with_uri_str(&args.mongodb).await?;
    for name in &args.names {
        client.database(name).drop().await?;
    }
    Ok(json!({ "dropped": args.names.len() }))
}
