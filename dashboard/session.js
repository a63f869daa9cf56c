// Who is signed in. Firebase's SDK alone stores the session; a token is in no address and in nothing of ours.
import { initializeApp } from "./vendor/firebase-app.js";
import {
  connectAuthEmulator,
  indexedDBLocalPersistence,
  initializeAuth,
  inMemoryPersistence,
  onIdTokenChanged,
  sendPasswordResetEmail,
  signInWithEmailAndPassword,
  signOut as signOutOfFirebase,
} from "./vendor/firebase-auth.js";

const TOLD = {
  "auth/invalid-credential": "This e-mail address and password do not fit together.",
  "auth/user-not-found": "This e-mail address and password do not fit together.",
  "auth/wrong-password": "This e-mail address and password do not fit together.",
  "auth/invalid-email": "This is no e-mail address.",
  "auth/user-disabled": "This account is disabled.",
  "auth/too-many-requests": "Too many attempts. Wait a few minutes, then try again.",
  "auth/network-request-failed": "The sign-in service was not reached. Is this device online?",
};

let auth;
// What firebase.js needs to open the database and the bucket: the app, and where the emulators are, if there are any.
export let firebase = { app: null, emulators: null };
// Why the last session ended, if it was not the person who ended it.
let ended = null;
let isOpen = false;
let isLeaving = false;

const ENDED = "Your session has ended. Sign in again to go on.";

/** Opens the session that is stored, if there is one, and calls `follow` with `{user, isAdmin, ended}` at each change. */
export async function openSession(follow) {
  // Firebase Hosting serves this address; local/dashboard.py does on the local stack.
  const answer = await fetch("/__/firebase/init.json");
  if (!answer.ok) throw new Error("The address /__/firebase/init.json does not say which Firebase project this is.");
  const { emulators = null, ...config } = await answer.json();
  firebase = { app: initializeApp(config), emulators, bucket: config.storageBucket };
  auth = initializeAuth(firebase.app, { persistence: [indexedDBLocalPersistence, inMemoryPersistence] });
  if (emulators) {
    connectAuthEmulator(auth, `http://${location.hostname}:${emulators.auth}`, { disableWarnings: true });
  }
  onIdTokenChanged(auth, async (user) => {
    if (!user) {
      // Firebase itself ends the session of an account that was disabled, deleted or signed out everywhere.
      if (isOpen && !isLeaving) ended = ENDED;
      isOpen = false;
      isLeaving = false;
      follow({ user: null, isAdmin: false, ended });
      return;
    }
    isOpen = true;
    try {
      const { claims } = await user.getIdTokenResult();
      ended = null;
      follow({ user, isAdmin: claims.admin === true, ended: null });
    } catch (error) {
      if (error.code === "auth/network-request-failed") follow({ user, isAdmin: false, ended: null, isUnsure: true });
      else await expire();
    }
  });
}

export async function signIn(email, password) {
  try {
    await signInWithEmailAndPassword(auth, email, password);
  } catch (error) {
    throw new Error(TOLD[error.code] ?? "Signing in failed. Try again in a while.");
  }
}

export async function mailNewPassword(email) {
  try {
    await sendPasswordResetEmail(auth, email);
  } catch (error) {
    if (error.code !== "auth/user-not-found") throw new Error(TOLD[error.code] ?? "The e-mail could not be sent.");
  }
}

export async function signOut() {
  isLeaving = true;
  await signOutOfFirebase(auth);
}

/** Ends a session that the server accepts no longer; the sign-in page says so. */
export async function expire() {
  await signOutOfFirebase(auth);
}

/** The token for the next request; a new one, if the last was refused. */
export async function token(isRefused = false) {
  if (!auth?.currentUser) return null;
  return auth.currentUser.getIdToken(isRefused);
}
