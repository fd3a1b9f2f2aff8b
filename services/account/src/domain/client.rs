use std::net::IpAddr;

/// Who calls, as far as the network tells.
#[derive(Debug, Clone)]
pub struct Client {
    pub address: IpAddr,
    /// What the program says of itself: cut, never refused.
    pub user_agent: String,
}

impl Client {
    pub fn new(address: IpAddr, user_agent: &str) -> Self {
        Self {
            address,
            user_agent: user_agent
                .chars()
                .filter(|c| !c.is_control())
                .take(256)
                .collect(),
        }
    }
}
