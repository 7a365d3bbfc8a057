//! What the client reads of what went wrong: the status of [`CallError::status`], and one short plain sentence that names what
//! refused and which limit.

use flatend::{CallError, Fault};

/// Seconds after which a client may try again when no provider can take a request.
const RETRY_AFTER_S: &str = "1";

const MIB: u64 = 1024 * 1024;

/// The answer to a call that got no response.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) sentence: String,
    pub(super) retry_after: Option<&'static str>,
}

/// The table of docs/http.md, "Statuses".
pub(super) fn of(error: &CallError, services: &str) -> Refusal {
    let sentence = match error {
        CallError::NoProvider => format!("No connected node offers the service {services}."),
        CallError::Saturated => format!("Every node that offers the service {services} has as many requests in flight as it takes, or as max_in_flight allows."),
        CallError::OverBudget { bytes_max } => format!("The requests in flight of this shard, {services} among them, take its receive budget of {} MiB (`receive_budget`).", bytes_max / MIB),
        CallError::Refused => format!("Every node that was asked refused the service {services}."),
        CallError::ConnectionsInUse { connections_max } => {
            format!("All {connections_max} connections of this shard to the service {services} are in use.")
        }
        CallError::HeadTooLarge { bytes, max_bytes } => {
            format!("The request's headers take {bytes} bytes on the mesh; the node that offers {services} takes {max_bytes} at most.")
        }
        CallError::TimedOut => format!("The service {services} sent no response within the route's timeout."),
        CallError::Unsendable { why, .. } => format!("The request cannot be sent to the service {services}: {why}."),
        CallError::BadResponse(what) => format!("The response of the service {services} cannot be used: {what}."),
        CallError::Broken(Fault::LinkLost { left: false }) => format!("The link to the node that offers {services} was lost before the request left."),
        CallError::Broken(fault) => format!("The service {services} broke off: {fault}."),
    };
    refusal(error.status(), sentence)
}

/// The same table for a route with `proxy`.
pub(super) fn of_upstreams(error: &CallError, upstreams: &str) -> Refusal {
    let sentence = match error {
        CallError::NoProvider => format!("No upstream of this route is well: {upstreams}."),
        CallError::Saturated => format!("Every upstream of this route has as many requests in flight as max_in_flight allows: {upstreams}."),
        CallError::OverBudget { bytes_max } => format!("The requests in flight of this shard take its receive budget of {} MiB (`receive_budget`), and {upstreams} gets no more.", bytes_max / MIB),
        CallError::Refused => format!("Every upstream that was asked takes no more requests: {upstreams}."),
        CallError::ConnectionsInUse { connections_max } => {
            format!("All {connections_max} connections that this shard of the gateway may have to an upstream are in use (UPSTREAM_CONNECTIONS_MAX): {upstreams}.")
        }
        CallError::HeadTooLarge { bytes, max_bytes } => {
            format!("The request's headers take {bytes} bytes; {upstreams} takes {max_bytes} at most.")
        }
        CallError::TimedOut => format!("The upstream {upstreams} sent no response within the route's timeout."),
        CallError::Unsendable { why, .. } => format!("The request cannot be sent to the upstream {upstreams}: {why}."),
        CallError::BadResponse(what) => format!("The response of the upstream {upstreams} cannot be used: {what}."),
        CallError::Broken(Fault::LinkLost { left: false }) => format!("No connection could be made to the upstream {upstreams}."),
        CallError::Broken(Fault::LinkLost { left: true }) => format!("The upstream {upstreams} closed the connection before its response was complete."),
        CallError::Broken(fault) => format!("The upstream {upstreams} broke off: {fault}."),
    };
    refusal(error.status(), sentence)
}

fn refusal(status: u16, sentence: String) -> Refusal {
    Refusal {
        status,
        sentence,
        retry_after: (status == 503).then_some(RETRY_AFTER_S),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_that_is_cut_before_it_could_go_out_was_not_missing() {
        let lost = CallError::Broken(Fault::LinkLost { left: true });
        let sentence = of_upstreams(&lost, "http://a:1").sentence;
        assert_eq!(
            sentence,
            "The upstream http://a:1 closed the connection before its response was complete."
        );
    }

    #[test]
    fn every_error_has_its_status_and_names_the_service() {
        let table = [
            (CallError::NoProvider, 503),
            (CallError::Saturated, 503),
            (CallError::Refused, 503),
            (CallError::OverBudget { bytes_max: MIB }, 503),
            (
                CallError::ConnectionsInUse {
                    connections_max: 1_024,
                },
                503,
            ),
            (
                CallError::HeadTooLarge {
                    bytes: 5_000,
                    max_bytes: 4_076,
                },
                431,
            ),
            (CallError::TimedOut, 504),
            (CallError::BadResponse("x".to_owned()), 502),
            (
                CallError::Unsendable {
                    status: 411,
                    why: "x".to_owned(),
                },
                411,
            ),
            (CallError::Broken(Fault::LinkLost { left: false }), 503),
            (CallError::Broken(Fault::LinkLost { left: true }), 502),
            (CallError::Broken(Fault::Stalled), 502),
        ];
        for (error, status) in table {
            for of in [of, of_upstreams] {
                let refusal = of(&error, "'hello'");
                assert_eq!(refusal.status, status, "{error}");
                assert_eq!(refusal.retry_after.is_some(), status == 503);
                assert!(
                    refusal.sentence.contains("'hello'") && refusal.sentence.ends_with('.'),
                    "{}",
                    refusal.sentence
                );
            }
        }
    }
}
