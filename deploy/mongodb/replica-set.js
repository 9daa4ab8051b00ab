// The health check of the compose file's MongoDB. It makes the only member a replica set if it is none yet, because a
// standalone mongod has no transactions, and ends with 0 once the member accepts writes. Others find it by this name.
try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] });
}
quit(db.hello().isWritablePrimary ? 0 : 1);
