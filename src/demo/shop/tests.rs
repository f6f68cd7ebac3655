//! The shop on real servers: it loads the same rows every time, and the writer survives what it causes and what happens to it.
