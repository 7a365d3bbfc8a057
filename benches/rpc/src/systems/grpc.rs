//! gRPC over HTTP/2 by tonic, written by hand on its generic client and server: a unary method whose messages are raw bytes.

use std::convert::Infallible;
use std::fs;
use std::future::{ready, Future, Ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use flatend_loadtest::histogram::Histogram;
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig,
};
use tonic::{Request, Response, Status};

use super::{on_tokio, runtime, until_input_ends, until_reached, Setting};
use crate::certificate;
use crate::load::{Caller, Work};

const METHOD: PathAndQuery = PathAndQuery::from_static("/bench.Echo/Call");

/// Messages as they are. Decoding copies nothing where the message lies in one piece.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }
}

/// The service.
#[derive(Clone, Copy, Debug)]
struct Echo;

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "bench.Echo";
}

impl tonic::codegen::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(Echo, request).await) })
    }
}

fn read(setting: Setting<'_>, name: &str) -> Result<String, String> {
    let path = setting.dir.join(name);
    fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The service.
pub(super) fn serve(setting: Setting<'_>, tls: bool) -> Result<(), String> {
    let mut server = Server::builder();
    if tls {
        let identity = Identity::from_pem(
            read(setting, certificate::CERTIFICATE)?,
            read(setting, certificate::KEY)?,
        );
        let config = ServerTlsConfig::new().identity(identity);
        server = server
            .tls_config(config)
            .map_err(|error| format!("TLS: {error:?}"))?;
    }
    let runtime = runtime(setting.threads)?;
    let addr: SocketAddr = setting.addr;
    let thread = std::thread::spawn(move || {
        let served = runtime.block_on(server.add_service(Echo).serve(addr));
        served.map_err(|error| format!("cannot serve at {addr}: {error:?}"))
    });
    // Ends by itself only with an error, which is told by whoever waits for the listener.
    std::thread::spawn(move || {
        if let Ok(Err(error)) = thread.join() {
            eprintln!("{error}");
            std::process::exit(1);
        }
    });
    until_input_ends();
    Ok(())
}

async fn connect(setting: Setting<'_>, tls: bool) -> Result<Channel, String> {
    let scheme = if tls { "https" } else { "http" };
    let failed = |error| format!("cannot connect to {}: {error:?}", setting.addr);
    let mut endpoint =
        Endpoint::from_shared(format!("{scheme}://{}", setting.addr)).map_err(failed)?;
    if tls {
        let authority = Certificate::from_pem(read(setting, certificate::CERTIFICATE)?);
        let config = ClientTlsConfig::new()
            .ca_certificate(authority)
            .domain_name(certificate::NAME);
        endpoint = endpoint.tls_config(config).map_err(failed)?;
    }
    endpoint.connect().await.map_err(failed)
}

impl Caller for Grpc<Channel> {
    async fn call(&mut self, body: Bytes) -> Result<Bytes, String> {
        self.ready().await.map_err(|error| format!("{error:?}"))?;
        let answer = self.unary(Request::new(body), METHOD.clone(), Raw).await;
        answer
            .map(Response::into_inner)
            .map_err(|status| status.to_string())
    }
}

/// The client: one channel, of which each task has a clone.
pub(super) fn ask(
    setting: Setting<'_>,
    tls: bool,
    begin: impl FnOnce() -> Work,
) -> Result<Histogram, String> {
    runtime(setting.threads)?.block_on(async {
        let channel = connect(setting, tls).await?;
        let mut first = Grpc::new(channel);
        until_reached(&mut first).await?;
        let work = begin();
        on_tokio((0..work.in_flight).map(|task| work.ask(task, first.clone()))).await
    })
}
