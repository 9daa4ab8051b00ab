// The health check of the compose file's MongoDB: makes its only member a replica set where it is none yet, since a
// standalone mongod has no transactions; ends with 0 once it takes writes. The name is the one that others find it by.
try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] });
}
quit(db.hello().isWritablePrimary ? 0 : 1);
