//! Whole calls over real sockets: webhook, stream, model, hang-up.

#[cfg(test)]
mod drain;
#[cfg(test)]
mod greeting;
#[cfg(test)]
mod house;
#[cfg(test)]
mod model_faults;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod voicemail;
#[cfg(test)]
mod webhook;
#[cfg(test)]
mod whole_call;
