//! The FTP connector (being built).
#![expect(missing_docs, reason = "stub")]
wit_bindgen::generate!({
    path: ["../wit/deps/io", "../wit/connector", "../wit/ftp"],
    world: "flow:ftp/ftp-connector",
    generate_all,
});
use exports::flow::connector::connector as c;
use exports::flow::ftp::endpoints as e;
struct Ftp;
impl c::Guest for Ftp {
    fn describe() -> c::Descriptor {
        c::Descriptor {
            id: "ftp".into(), version: "0.1.0".into(), title: "FTP".into(), description: String::new(),
            connection_schema: "{}".into(), endpoints: vec![], details: None,
        }
    }
    fn plan(_: c::Call) -> Result<Vec<c::Egress>, c::Error> { Ok(vec![]) }
    fn check(_: c::Call) -> Result<Vec<c::CheckStep>, c::Error> { Ok(vec![]) }
}
impl e::Guest for Ftp {
    fn ftp_get(call: e::Call) -> Result<e::Summary, e::Error> {
        let s = std::net::TcpStream::connect(&call.connection);
        Ok(e::Summary { payloads: u64::from(s.is_ok()), bytes: 0, skipped: 0, failed: 0 })
    }
    fn ftp_put(_: e::Call) -> Result<e::Summary, e::Error> {
        let _ = (flow::connector::context::run_id(), flow::connector::exchange::next());
        Ok(e::Summary { payloads: 0, bytes: 0, skipped: 0, failed: 0 })
    }
}
export!(Ftp);
