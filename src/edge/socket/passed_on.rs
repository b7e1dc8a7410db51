//! What pingora asks of a client's socket beside its bytes, whatever the client speaks: the answers are the inner
//! socket's.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
    raw_connect::ProxyDigest,
    tls::{SslDigest, TlsRef},
};

use super::WatchedSocket;
use crate::edge::http2::MeteredSocket;

macro_rules! pass_on {
    ($socket:ident) => {
        #[async_trait]
        impl Shutdown for $socket {
            async fn shutdown(&mut self) {
                if let Some(socket) = &mut self.socket {
                    socket.shutdown().await;
                }
            }
        }

        impl Peek for $socket {}

        impl UniqueID for $socket {
            fn id(&self) -> UniqueIDType {
                self.socket.as_ref().map_or(-1, |socket| socket.id())
            }
        }

        impl Ssl for $socket {
            fn get_ssl(&self) -> Option<&TlsRef> {
                self.socket.as_ref()?.get_ssl()
            }

            fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
                self.socket.as_ref()?.get_ssl_digest()
            }

            fn selected_alpn_proto(&self) -> Option<ALPN> {
                self.socket.as_ref()?.selected_alpn_proto()
            }
        }

        impl GetTimingDigest for $socket {
            fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
                self.socket.as_ref().map(|socket| socket.get_timing_digest()).unwrap_or_default()
            }
        }

        impl GetProxyDigest for $socket {
            fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
                self.socket.as_ref()?.get_proxy_digest()
            }
        }

        impl GetSocketDigest for $socket {
            fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
                self.socket.as_ref()?.get_socket_digest()
            }
        }

        impl std::fmt::Debug for $socket {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($socket))
            }
        }
    };
}

pass_on!(WatchedSocket);
pass_on!(MeteredSocket);
