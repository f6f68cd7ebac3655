//! The spool: source events kept on local disk while chunks are read.
