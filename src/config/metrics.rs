//! `metrics:` of the project file: where the page for monitors is served.

use std::net::SocketAddr;

use crate::mapping::document::{Content, Node};
use crate::mapping::fields::Reader;

/// The address of `metrics: { listen: ADDRESS, off_loopback: BOOL }`; `None` if it is not one, which is then a problem of the reader.
pub(super) fn listen(reader: &mut Reader, node: &Node) -> Option<SocketAddr> {
    let fields = reader.fields(node, "metrics", &["listen", "off_loopback"])?;
    let listen = fields.required(reader, "listen")?;
    let text = reader.text(listen, "listen")?;
    let Ok(address) = text.replace("localhost:", "127.0.0.1:").parse::<SocketAddr>() else {
        reader.note(listen.span.clone(), "listen must be an address with a port");
        reader.help_last("write it as 127.0.0.1:9464");
        return None;
    };
    let is_open = match fields.get("off_loopback") {
        Some(node) => boolean(reader, node)?,
        None => false,
    };
    if !address.ip().is_loopback() && !is_open {
        reader.note(listen.span.clone(), "the metrics would be open to the network, and nobody is asked for a password");
        reader.help_last("listen on 127.0.0.1, or say `off_loopback: true` where the network may read them");
        return None;
    }
    Some(address)
}

fn boolean(reader: &mut Reader, node: &Node) -> Option<bool> {
    let word = match &node.content {
        Content::Scalar(scalar) => scalar.text.as_str(),
        Content::List(_) | Content::Map(_) => "",
    };
    match word {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            reader.note(node.span.clone(), "off_loopback must be true or false");
            None
        }
    }
}
