"""Firebase Auth and Cloud Storage for Firebase, as Firebase's own SDKs speak them, on this computer.

Firebase publishes emulators of both. They are parts of the Firebase CLI: Node.js, 242 MB in 449 packages, a process of
0.4 GB, and for Storage a Java archive of 53 MB that interprets its rules. `make demo` asks for Python alone and is
ready in seconds. So the parts of the two protocols that an app uses stand here, on libraries that the stack has
anyway. Both run in the stack's own process and cost its start nothing. What is missing answers 501 and says so.

Nothing here is safe: tokens are unsigned, passwords lie in memory, and `Bearer owner` may do everything, as with
Firebase's own emulators.
"""
