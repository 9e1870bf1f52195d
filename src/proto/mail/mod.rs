pub mod custody;
pub mod handover;
mod on_custody;
mod on_handover;
mod on_mail;
pub mod watchdog;
