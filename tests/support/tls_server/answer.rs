//! The answers of the server: to each path its own.

use std::{convert::Infallible, error::Error, sync::Arc};

use http_body_util::{BodyExt, Full, channel::Channel, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Bytes, Incoming},
    header,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Connection, Saw, State};
use crate::support::websocket::ACCEPT;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;

pub(super) async fn answer(
    request: Request<Incoming>,
    connection: Connection,
    state: Arc<State>,
) -> Result<Reply, BoxError> {
    let saw = see(&request, &connection);
    state.saw.lock().push(saw.clone());
    let path = saw.path.split('/').skip(1).collect::<Vec<_>>();
    let is_for_me = |port: &str| port.parse() == Ok(state.port);
    match path[..] {
        ["stream", pieces] => Ok(stream(pieces.parse()?, state)),
        ["websocket"] if request.version() == Version::HTTP_11 && request.headers().contains_key(header::UPGRADE) => {
            Ok(websocket(request))
        }
        ["hang"] => std::future::pending().await,
        ["broken"] => Ok(broken()),
        ["reset", code, port] if is_for_me(port) => {
            request.into_body().collect().await?;
            Err(h2::Error::from(h2::Reason::from(code.parse::<u32>()?)).into())
        }
        ["cut", port] if is_for_me(port) => {
            request.into_body().collect().await?;
            connection.cut.notify_one();
            std::future::pending().await
        }
        _ => {
            let mut told = serde_json::to_value(saw)?;
            let body = request.into_body().collect().await?.to_bytes();
            told["body"] = body.len().into();
            let body = Full::from(serde_json::to_vec(&told)?).map_err(|never: Infallible| match never {});
            let mut reply = Response::new(body.boxed_unsync());
            reply.headers_mut().append(header::SET_COOKIE, "a=1".parse()?);
            reply.headers_mut().append(header::SET_COOKIE, "b=2".parse()?);
            Ok(reply)
        }
    }
}

fn see(request: &Request<Incoming>, connection: &Connection) -> Saw {
    let uri = request.uri();
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Saw {
        connection: connection.number,
        version: format!("{:?}", request.version()),
        sni: connection.sni.clone(),
        client: connection.client.clone(),
        method: request.method().to_string(),
        path: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        scheme: uri.scheme_str().map(str::to_owned),
        authority: uri.authority().map(ToString::to_string),
        host: request.headers().get(header::HOST).map(text),
        headers: request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
    }
}

fn stream(pieces: usize, state: Arc<State>) -> Reply {
    let (mut pen, body) = Channel::<Bytes, BoxError>::new(1);
    tokio::spawn(async move {
        for number in 1..=pieces {
            state.gate.acquire().await.unwrap().forget();
            if pen.send_data(format!("piece{number}\n").into()).await.is_err() {
                return;
            }
        }
    });
    Response::new(body.boxed_unsync())
}

fn broken() -> Reply {
    let (mut pen, body) = Channel::<Bytes, BoxError>::new(1);
    tokio::spawn(async move {
        let _ = pen.send_data("beginning".into()).await;
        pen.abort("broken off on purpose".into());
    });
    Response::new(body.boxed_unsync())
}

fn websocket(request: Request<Incoming>) -> Reply {
    assert_eq!(request.method(), Method::GET);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            if stream.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    });
    let reply = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let reply = reply.header(header::CONNECTION, "Upgrade").header(header::UPGRADE, "websocket");
    let reply = reply.header(header::SEC_WEBSOCKET_ACCEPT, ACCEPT);
    reply.body(UnsyncBoxBody::default()).unwrap()
}
