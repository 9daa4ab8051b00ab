//! MongoDB's driver behind the store's [`Wire`]: the only file that knows it.
//!
//! Every operation runs to its end in a task of its own, so no future of the driver is dropped halfway. An operation
//! that does not end in time is abandoned together with its client, and the next operation gets a new client.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Plain, PoisonError};
use std::time::Duration;

use bson::{Document, RawDocumentBuf, cstr};
use futures_util::StreamExt as _;
use mongodb::error::{
    ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT,
};
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, TransactionOptions, WriteConcern,
};
use mongodb::raw_batch_cursor::RawBatch;
use mongodb::{Client, ClientSession};
use tokio::sync::Mutex;

use weir_core::store;
use weir_core::store::wire::{Answer, Error, Found, MAX_TIME, Transactions, Wire, words};

/// How long an operation may take before its client is abandoned.
const ABANDON: Duration = Duration::from_secs(25);

/// How to reach MongoDB.
#[derive(Debug, Clone)]
pub struct Address {
    /// The connection string, with its secrets.
    pub uri: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long to look for a server before an operation fails.
    pub server_selection_timeout: Duration,
}

/// MongoDB through its driver. Cheap to clone.
#[derive(Clone)]
pub struct Driver {
    options: Arc<ClientOptions>,
    client: Arc<Plain<Client>>,
    server_changes: Arc<AtomicU64>,
}

impl fmt::Debug for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl Driver {
    /// Prepares the connection without sending anything yet.
    ///
    /// # Errors
    /// The connection string is invalid. Or DNS, which is asked for the hosts of a `mongodb+srv` string, does not
    /// answer, which is a temporary fault.
    pub async fn new(address: &Address) -> Result<Self, store::Error> {
        let uri = |error: mongodb::error::Error| match error.kind.as_ref() {
            ErrorKind::DnsResolve { message, .. } => store::Error::Fault(message.clone()),
            kind => store::Error::Uri(kind.to_string()),
        };
        let mut options = match ClientOptions::parse(&address.uri).await {
            Ok(options) => options,
            Err(error) => return Err(without_secrets(&address.uri, uri(error)).await),
        };
        options.app_name.get_or_insert_with(|| "weir".to_owned());
        options.connect_timeout = Some(address.connect_timeout);
        options.server_selection_timeout = Some(address.server_selection_timeout);
        options.read_concern = Some(ReadConcern::majority());
        options.write_concern = Some(WriteConcern::majority());
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        let server_changes = Arc::<AtomicU64>::default();
        let changes = Arc::clone(&server_changes);
        options.sdam_event_handler = Some(EventHandler::callback(move |event| {
            if matches!(event, SdamEvent::ServerDescriptionChanged(_)) {
                changes.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let client = Client::with_options(options.clone()).map_err(uri)?;
        Ok(Self { options: Arc::new(options), client: Arc::new(Plain::new(client)), server_changes })
    }

    fn client(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Switches to a new client. The old one ends when its last operation does.
    fn renew(&self) {
        tracing::warn!(after_seconds = ABANDON.as_secs(), "mongodb_client_abandoned");
        match Client::with_options((*self.options).clone()) {
            Ok(client) => *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client,
            Err(error) => tracing::error!(%error, "no_new_mongodb_client"),
        }
    }

    /// Returns the operation's result if it ends in time.
    async fn ended<T: Send + 'static>(
        &self,
        operation: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
    ) -> Result<T, Error> {
        match tokio::time::timeout(ABANDON, tokio::spawn(operation)).await {
            Ok(Ok(result)) => result.map_err(|error| told(&error)),
            Ok(Err(error)) => Err(Error { message: error.to_string(), ..Error::default() }),
            Err(_) => {
                self.renew();
                let message = format!("mongodb did not answer within {} s", ABANDON.as_secs());
                Err(Error { message, abandoned: true, ..Error::default() })
            }
        }
    }
}

/// Describes why the connection string is invalid, without any part of its user or password. The driver quotes the text
/// that it could not parse, which may contain part of a password that is not percent-encoded.
async fn without_secrets(uri: &str, error: store::Error) -> store::Error {
    if let store::Error::Fault(_) = &error {
        let unknown = "the name service does not answer for the host in MONGODB_URI";
        return if uri.contains('@') { store::Error::Fault(unknown.to_owned()) } else { error };
    }
    let Some((scheme, rest)) = uri.split_once("://") else {
        return store::Error::Uri("it begins with neither mongodb:// nor mongodb+srv://".to_owned());
    };
    let Some((_, hosts)) = rest.rsplit_once('@') else { return error };
    match ClientOptions::parse(format!("{scheme}://{hosts}")).await {
        Err(error) if !matches!(error.kind.as_ref(), ErrorKind::DnsResolve { .. }) => {
            store::Error::Uri(error.kind.to_string())
        }
        _ => store::Error::Uri(
            "its user or password has a character that must be percent-encoded, such as : / ? # [ ] @ %".to_owned(),
        ),
    }
}

/// Returns the documents of a cursor's first reply. The cursor is closed when it is dropped.
async fn first(
    cursor: impl futures_util::Stream<Item = mongodb::error::Result<RawBatch>>,
) -> mongodb::error::Result<Found> {
    let mut cursor = std::pin::pin!(cursor);
    let Some(batch) = cursor.next().await.transpose()? else { return Ok(Found::default()) };
    let more = batch.as_raw_document().get_document("cursor").and_then(|cursor| cursor.get_i64("id"));
    let mut documents = Vec::new();
    for document in batch.doc_slices()? {
        documents.extend(document?.as_document().map(bson::RawDocument::to_owned));
    }
    Ok(Found { documents, more: more.is_ok_and(|id| id != 0) })
}

impl Wire for Driver {
    fn run<'a>(&'a self, database: &'a str, mut command: RawDocumentBuf) -> Answer<'a, Document> {
        bound(&mut command, MAX_TIME);
        let database = self.client().database(database);
        Box::pin(self.ended(async move { database.run_raw_command(command).await }))
    }

    fn read<'a>(&'a self, database: &'a str, mut command: RawDocumentBuf, time: Duration) -> Answer<'a, Found> {
        bound(&mut command, time);
        let database = self.client().database(database);
        Box::pin(self.ended(async move { first(database.run_raw_cursor_command(command).batch().await?).await }))
    }

    fn session(&self) -> Answer<'_, Arc<dyn Transactions>> {
        let client = self.client();
        Box::pin(async move {
            let kept = client.clone();
            let session = self.ended(async move { client.start_session().await }).await?;
            let id = session.id().clone();
            let session =
                DriverSession { driver: self.clone(), client: kept, id, session: Arc::new(Mutex::new(session)) };
            Ok(Arc::new(session) as Arc<dyn Transactions>)
        })
    }

    fn server_changes(&self) -> u64 {
        self.server_changes.load(Ordering::Relaxed)
    }
}

struct DriverSession {
    driver: Driver,
    client: Client,
    id: Document,
    session: Arc<Mutex<ClientSession>>,
}

impl fmt::Debug for DriverSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DriverSession").finish_non_exhaustive()
    }
}

impl Transactions for DriverSession {
    fn id(&self) -> Document {
        self.id.clone()
    }

    fn start<'a>(&'a self, w: &'a str) -> Answer<'a, ()> {
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(WriteConcern::builder().w(Acknowledgment::from(w)).build())
            .max_commit_time(MAX_TIME)
            .build();
        Box::pin(async move {
            // This needs no task of its own because nothing is sent.
            if let Ok(mut session) = self.session.try_lock() {
                return session.start_transaction().with_options(options).await.map_err(|error| told(&error));
            }
            // An abandoned operation still has the session.
            let session = Arc::clone(&self.session);
            let start = async move { session.lock().await.start_transaction().with_options(options).await };
            self.driver.ended(start).await
        })
    }

    fn run<'a>(&'a self, database: &'a str, mut command: RawDocumentBuf, time: Duration) -> Answer<'a, Document> {
        bound(&mut command, time);
        let (database, session) = (self.client.database(database), Arc::clone(&self.session));
        Box::pin(
            self.driver
                .ended(async move { database.run_raw_command(command).session(&mut *session.lock().await).await }),
        )
    }

    fn read<'a>(&'a self, database: &'a str, mut command: RawDocumentBuf, time: Duration) -> Answer<'a, Found> {
        bound(&mut command, time);
        let (database, session) = (self.client.database(database), Arc::clone(&self.session));
        Box::pin(self.driver.ended(async move {
            let mut session = session.lock().await;
            let mut cursor = database.run_raw_cursor_command(command).session(&mut *session).batch().await?;
            first(cursor.stream(&mut session)).await
        }))
    }

    fn commit(&self) -> Answer<'_, ()> {
        let session = Arc::clone(&self.session);
        Box::pin(self.driver.ended(async move { session.lock().await.commit_transaction().await }))
    }

    fn abort(&self) -> Answer<'_, ()> {
        let session = Arc::clone(&self.session);
        Box::pin(self.driver.ended(async move { session.lock().await.abort_transaction().await }))
    }
}

fn bound(command: &mut RawDocumentBuf, time: Duration) {
    // MongoDB takes 0 to mean no bound.
    command.append(cstr!("maxTimeMS"), i64::try_from(time.min(MAX_TIME).as_millis()).unwrap_or(i64::MAX).max(1));
}

/// `Unauthorized`, `AuthenticationFailed`, and the code that Atlas uses for the latter.
const DENIED: [i32; 3] = [13, 18, 8000];

fn told(error: &mongodb::error::Error) -> Error {
    let (code, message) = match error.kind.as_ref() {
        ErrorKind::Command(command) => (Some(command.code), words(&command.message)),
        ErrorKind::InvalidArgument { message, .. } => (None, words(message)),
        kind => (None, words(&kind.to_string())),
    };
    let denied = match error.kind.as_ref() {
        ErrorKind::Authentication { .. } | ErrorKind::InvalidTlsConfig { .. } => true,
        // If the certificate is refused, the driver finds no server and does not get as far as logging in.
        ErrorKind::ServerSelection { message, .. } => {
            message.contains("invalid peer certificate") || message.contains("received fatal alert")
        }
        _ => code.is_some_and(|code| DENIED.contains(&code)),
    };
    Error {
        code,
        message,
        transient: error.contains_label(TRANSIENT_TRANSACTION_ERROR),
        retryable: error.contains_label(RETRYABLE_WRITE_ERROR),
        unknown: error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT),
        denied,
        oversized: matches!(error.kind.as_ref(), ErrorKind::InvalidArgument { .. }),
        malformed: matches!(error.kind.as_ref(), ErrorKind::Bson(_) | ErrorKind::BsonDeserialization(_)),
        abandoned: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(uri: &str) -> String {
        let (connect_timeout, server_selection_timeout) = (Duration::from_millis(50), Duration::from_millis(50));
        let address = Address { uri: uri.to_owned(), connect_timeout, server_selection_timeout };
        Driver::new(&address).await.expect_err("no connection string").to_string()
    }

    #[tokio::test]
    async fn no_piece_of_a_password_stands_in_an_error() {
        for uri in [
            "mongodb://ann:hun?ter2@h",
            "mongodb://ann:hun/ter2@h:27017/a",
            "mongodb://ann:hun#ter2@h",
            "mongodb://ann:hun:ter2@h",
            "mongodb://ann:hun%ter2@h",
            "mongodb://ann:hun@ter2@h",
            "mongodb://ann:hunter2@h:port/?tls=perhaps",
            "ann:hunter2@h",
        ] {
            let error = refused(uri).await;
            for secret in ["ann", "hun", "ter2"] {
                assert!(!error.contains(secret), "{uri}: {error}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_wrong_beside_the_password_is_told() {
        assert!(refused("mongodb://ann:hun?ter2@h").await.contains("percent-encoded"));
        assert!(refused("mongodb://ann:hunter2@h:port").await.contains("port"));
        assert!(refused("mongodb://h:port").await.contains("port"));
        assert!(refused("postgres").await.contains("mongodb://"));
    }
}
