use std::time::Duration;

use local_stack::servers::{Server, TestServers};
use sqlx::{Connection, Executor, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

async fn servers() -> &'static TestServers {
    static SERVERS: OnceCell<TestServers> = OnceCell::const_new();
    SERVERS
        .get_or_init(async || TestServers::start(&Server::ALL).await.unwrap())
        .await
}

async fn redis(port: u16, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(command.as_bytes()).await.unwrap();
    let mut answer = vec![0; 256];
    let length = stream.read(&mut answer).await.unwrap();
    answer.truncate(length);
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn postgres_keeps_what_it_had_when_killed() {
    let postgres = servers().await.postgres();
    let url = postgres.create_own_database().await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection
        .execute("create table kept (n int); insert into kept values (7)")
        .await
        .unwrap();
    let pid = postgres.pid().unwrap();

    postgres.kill9().await;
    assert_eq!(postgres.pid(), None);
    postgres.start().await.unwrap();

    assert_ne!(postgres.pid().unwrap(), pid);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let kept: i32 = sqlx::query_scalar("select n from kept")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(kept, 7);
}

#[tokio::test]
async fn a_paused_redis_answers_when_it_goes_on() {
    let redis_server = servers().await.redis();
    redis_server.pause().unwrap();
    let waiting = tokio::spawn(redis(redis_server.port(), "SET paused yes\r\n"));
    // Connected to the kernel's queue, but not answered.
    assert!(
        tokio::time::timeout(Duration::from_millis(300), async {
            while !waiting.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .is_err()
    );
    redis_server.resume().unwrap();
    assert_eq!(waiting.await.unwrap(), "+OK\r\n");
}

#[tokio::test]
async fn kafka_and_the_aws_emulators_start_again_after_a_kill() {
    let servers = servers().await;
    servers.kafka().kill9().await;
    servers.local_aws().kill9().await;
    let (kafka, aws) = tokio::join!(servers.kafka().start(), servers.local_aws().start());
    kafka.unwrap();
    aws.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let servers = TestServers::start(&[Server::Redis]).await.unwrap();
    let redis_server = servers.redis();
    redis_server.stop().await;
    let _taken = std::net::TcpListener::bind(("127.0.0.1", redis_server.port())).unwrap();
    let error = redis_server.start().await.unwrap_err().to_string();
    assert!(error.contains(&redis_server.port().to_string()), "{error}");
}

#[tokio::test]
async fn the_folder_goes_with_the_servers() {
    let servers = TestServers::start(&[Server::Redis]).await.unwrap();
    let folder = servers.folder().to_path_buf();
    let pid = servers.redis().pid().unwrap();
    assert!(folder.exists());
    drop(servers);
    assert!(!folder.exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}
