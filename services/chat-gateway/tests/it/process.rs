//! A gateway as a process of its own.

use std::process::{Child, Command, ExitStatus};

use crate::world::{Environment, eventually};

pub struct Process(Child);

impl Process {
    /// Starts one, and waits until it is ready.
    pub async fn start(environment: &Environment, variables: &[(&str, &str)]) -> Self {
        let process = Self(
            Command::new(env!("CARGO_BIN_EXE_chat-gateway"))
                .args(["serve"])
                .envs(environment.variables())
                .env("CHAT_GATEWAY__TELEMETRY__FILTER", "warn")
                .envs(variables.iter().copied())
                .spawn()
                .unwrap(),
        );
        let url = format!("http://{}/readyz", environment.addresses().ops);
        eventually("the process is ready", async || {
            reqwest::get(&url)
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        process
    }

    pub fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let killed = Command::new("kill").args(["-s", name, &id]).status();
        assert!(killed.unwrap().success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    pub fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
