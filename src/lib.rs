//! `strangler`: moves a running legacy system's data into new service databases and keeps them exactly in step.
pub mod demo;
