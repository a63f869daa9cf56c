// What a user's pages listen to, under firestore.rules. Admins' pages load none of this.
import {
  collection,
  connectFirestoreEmulator,
  doc,
  getFirestore,
  limit,
  onSnapshot,
  orderBy,
  query,
  where,
} from "./vendor/firebase-firestore.js";
import { firebase } from "./session.js";

const TOLD = {
  "permission-denied": "There is no such thing, or it is not yours.",
  unavailable: "The database was not reached.",
};

let opened = null;

function database() {
  if (!opened) {
    opened = getFirestore(firebase.app);
    if (firebase.emulators) connectFirestoreEmulator(opened, location.hostname, firebase.emulators.firestore);
  }
  return opened;
}

/** The user's newest bulk jobs, of one status if one is given; at most 100. */
export function listenToBulkJobs(uid, status, hear, fail) {
  const db = database();
  const asked = status
    ? query(
        collection(db, "bulk_jobs"),
        where("userId", "==", uid),
        where("status", "==", status),
        orderBy("createdAt", "desc"),
        limit(100),
      )
    : query(collection(db, "bulk_jobs"), where("userId", "==", uid), orderBy("createdAt", "desc"), limit(100));
  return listen(asked, (found) => hear(found.docs.map(withId)), fail);
}

/** One bulk job; null where the user has none of this id. */
export function listenToBulkJob(id, hear, fail) {
  return listen(doc(database(), "bulk_jobs", id), (found) => hear(found.exists() ? withId(found) : null), fail);
}

/** The user's wallet; null before the first tokens were given. */
export function listenToWallet(uid, hear, fail) {
  return listen(doc(database(), "wallets", uid), (found) => hear(found.exists() ? found.data() : null), fail);
}

/** The newest entries of the user's ledger; at most 100. */
export function listenToLedger(uid, hear, fail) {
  const db = database();
  const asked = query(collection(db, "wallets", uid, "ledger"), orderBy("createdAt", "desc"), limit(100));
  return listen(asked, (found) => hear(found.docs.map(withId)), fail);
}

function listen(asked, hear, fail) {
  // With the changes of the metadata, it is heard when the connection is lost: then the answer comes from the cache.
  return onSnapshot(
    asked,
    { includeMetadataChanges: true },
    (found) => {
      if (!found.metadata.fromCache) hear(found);
      else if (!navigator.onLine) fail(new Error("This device is offline."));
    },
    (error) => fail(new Error(TOLD[error.code] ?? "The database could not be read.")),
  );
}

function withId(found) {
  return { ...found.data(), id: found.id };
}
