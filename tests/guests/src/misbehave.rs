//! The endpoint that does wrong: which function does what.

use crate::bindings::flow::connector::types::{Call, Error, Summary};
use crate::honest::nothing;
use crate::options::{Behaviour, Misbehaviour, parse};
use crate::{flood, network, payloads, raw, work};

/// Does wrong. What it sees while it does is the error's message.
///
/// # Errors
/// When the options cannot be read, and as the behaviour wants it.
pub fn misbehave(call: &Call) -> Result<Summary, Error> {
    let options: Misbehaviour = parse(&call.options)?;
    let Misbehaviour {
        address, count, size, ..
    } = &options;
    let (count, size) = (*count, *size);
    match options.behaviour {
        Behaviour::Loop => work::spin(),
        Behaviour::LoopInCalls => work::spin_in_calls(),
        Behaviour::LoopInPayload => work::spin_in_payload()?,
        Behaviour::Recurse => work::recurse(),
        Behaviour::Panic => work::panic(),
        Behaviour::Exit => work::exit(),
        Behaviour::Allocate => work::allocate(),
        Behaviour::ExhaustHandles => work::exhaust_handles(count)?,

        Behaviour::Dial => network::dial(address)?,
        Behaviour::WaitForAnswer => network::wait_for_answer(address)?,
        Behaviour::Resolve => network::resolve(address)?,
        Behaviour::Bind => network::bind(address)?,
        Behaviour::SendDatagram => network::send_datagram(address)?,
        Behaviour::OpenSockets => network::open_sockets(count)?,
        Behaviour::Send => network::send(address)?,
        Behaviour::Receive => network::receive(address)?,

        Behaviour::FloodLog => flood::log(count, size),
        Behaviour::FloodProgress => flood::progress(count, size),
        Behaviour::FloodOutput => flood::output(count, size),
        Behaviour::FloodMetadata => flood::metadata(size)?,
        Behaviour::FloodPassedMetadata => flood::passed_metadata(size)?,
        Behaviour::FloodPayloads => flood::payloads(count)?,
        Behaviour::FloodReports => flood::reports(count),
        Behaviour::FloodBody => flood::body(size)?,
        Behaviour::FloodTlsContexts => flood::tls_contexts(count)?,
        Behaviour::FloodTlsSessions => flood::tls_sessions(count)?,

        Behaviour::ForgeNames => payloads::forge_names()?,
        Behaviour::PassUnderAnotherId => payloads::pass_under_another_id()?,
        Behaviour::LieAboutSize => payloads::lie_about_size()?,
        Behaviour::BodyTwice => payloads::body_twice()?,
        Behaviour::DropUnfinished => payloads::drop_unfinished()?,
        Behaviour::ForgetWriter => payloads::forget_writer()?,
        Behaviour::KeepWriter => payloads::keep_writer()?,
        Behaviour::FinishKeptWriter => payloads::finish_kept_writer()?,
        Behaviour::NeverSettle => payloads::never_settle()?,
        Behaviour::DropUnsettled => payloads::drop_unsettled()?,
        Behaviour::TrapInPayload => payloads::trap_in_payload()?,
        Behaviour::WriteAfterAbort => payloads::write_after_abort()?,
        Behaviour::WriteAfterFinish => payloads::write_after_finish()?,
        Behaviour::HugeWrite => payloads::huge_write(size)?,
        Behaviour::HugeError => return Err(payloads::huge_error(size)),
        Behaviour::DetailsWithoutJson => return Err(payloads::details_without_json()),
        Behaviour::SummaryOfLies => return payloads::summary_of_lies(),

        Behaviour::FinishTwice => raw::finish_twice()?,
        Behaviour::AbortThenFinish => raw::abort_then_finish()?,
        Behaviour::SettleTwice => raw::settle_twice()?,
        Behaviour::ForgedHandle => raw::forged_handle()?,
        Behaviour::HandleOfAnotherType => raw::handle_of_another_type()?,
        Behaviour::LogNoText => raw::log_no_text(),
        Behaviour::ErrorNoText => return Err(raw::error_no_text()),
    }
    Ok(nothing())
}
