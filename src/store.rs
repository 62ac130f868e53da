//! (this module is being written)
