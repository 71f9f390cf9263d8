//! The aeraki command.
