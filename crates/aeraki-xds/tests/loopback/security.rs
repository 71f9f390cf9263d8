//! Who believes whom.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aeraki_testbed::fake_istiod::{FakeIstiod, Scenario, entry};
use aeraki_xds::settings::{SERVER_NAME, Security, Settings, Tls};
use tempfile::TempDir;

use super::pki::{Authority, Validity};
use super::running::{Running, eventually, settings};

/// The files of a client.
struct Files(TempDir);

impl Files {
    fn new(authority: &Authority, token: &str) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("root.pem", &authority.root());
        files.write("token", token);
        files
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// As a kubelet does it: the new content takes the old one's place in one step.
    fn write(&self, name: &str, content: &str) {
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    fn settings(&self, address: impl Into<String>) -> Settings {
        let mut settings = settings(address);
        settings.security = Security::Tls(Tls {
            root_cert: self.path("root.pem"),
            server_name: SERVER_NAME.to_owned(),
            token: Some(self.path("token")),
            certificate: None,
        });
        settings.timing.root_check = Duration::from_millis(50);
        settings
    }
}

fn exists(path: &Path) -> bool {
    path.exists()
}

#[tokio::test]
async fn a_token_goes_along_and_a_new_one_is_used_without_a_restart() {
    let authority = Authority::new();
    let tls = authority.server(SERVER_NAME, Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let files = Files::new(&authority, "first\n");
    let mut client = Running::start(files.settings(istiod.address()));
    client.until_complete().await;
    files.write("token", "second\n");
    client.handle.renew();
    client.until(|client| client.epoch() == Some(2)).await;
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    assert_eq!(istiod.seen().tokens, [bearer("first"), bearer("second")]);
    assert_eq!(client.names(), ["ServiceEntry shop/a"]);
}

#[tokio::test]
async fn istiod_tells_what_its_proxies_refused() {
    let authority = Authority::new();
    let tls = authority.server(SERVER_NAME, Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    let files = Files::new(&authority, "token");
    let mut client = Running::start(files.settings(istiod.address()));
    client.until_complete().await;
    for _ in 0..2 {
        let rejections = client.handle.rejections().await.unwrap();
        assert_eq!(rejections.len(), 1);
        assert_eq!(rejections[0].proxy, "a.shop");
        assert_eq!(rejections[0].resource.as_deref(), Some("240.240.0.1_9092"));
        assert_eq!(rejections[0].error, "no such filter");
    }
    let seen = istiod.seen();
    let about: Vec<_> = seen
        .requests
        .iter()
        .filter(|r| r.type_url == "istio.io/debug")
        .collect();
    assert_eq!(about.len(), 2, "asked twice, never acknowledged");
}

#[tokio::test]
async fn a_question_that_the_stream_does_not_outlive_is_lost() {
    let authority = Authority::new();
    let tls = authority.server(SERVER_NAME, Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Hang, tls).await;
    let files = Files::new(&authority, "token");
    let client = Running::start(files.settings(istiod.address()));
    let handle = client.handle.clone();
    let answer = tokio::spawn(async move { handle.rejections().await });
    let asked = || {
        let seen = istiod.seen();
        seen.requests.iter().any(|r| r.type_url == "istio.io/debug")
    };
    eventually(asked, "the question").await;
    client.handle.renew();
    let lost = answer.await.unwrap();
    assert!(
        matches!(lost, Err(aeraki_xds::client::TellError::Lost)),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_server_of_another_name_is_not_believed() {
    let authority = Authority::new();
    let tls = authority.server("istiod.elsewhere.svc", Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    let files = Files::new(&authority, "token");
    let client = Running::start(files.settings(istiod.address()));
    client.until_ended("tls_name").await;
    assert_eq!(istiod.seen().tokens.len(), 0, "it never sees the token");

    let mut settings = files.settings(istiod.address());
    if let Security::Tls(tls) = &mut settings.security {
        tls.server_name = "istiod.elsewhere.svc".to_owned();
    }
    Running::start(settings).until_complete().await;
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_believed_until_the_root_is_replaced() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let tls = theirs.server(SERVER_NAME, Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    let files = Files::new(&ours, "token");
    let mut client = Running::start(files.settings(istiod.address()));
    client.until_ended("tls_issuer").await;
    assert_eq!(istiod.seen().tokens.len(), 0, "it never sees the token");
    files.write("root.pem", &theirs.root());
    client.until_complete().await;
}

#[tokio::test]
async fn a_server_whose_certificate_has_expired_is_not_believed_and_nothing_is_deleted() {
    let authority = Authority::new();
    let tls = authority.server(SERVER_NAME, Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    istiod.set("ServiceEntry", vec![entry("a", "a.com")]);
    let files = Files::new(&authority, "token");
    let mut client = Running::start(files.settings(istiod.address()));
    client.until_complete().await;
    let address = istiod.address();
    istiod.kill().await;
    let expired = authority.server(SERVER_NAME, Validity::Past);
    let istiod = FakeIstiod::start_at(&address, Scenario::Current, Some(expired)).await;
    client.until_ended("tls_expired").await;
    client.until(|client| client.epoch().is_none()).await;
    assert_eq!(client.names(), ["ServiceEntry shop/a"]);
    assert_eq!(istiod.seen().tokens.len(), 0);
}

#[tokio::test]
async fn a_replaced_root_certificate_opens_a_new_stream() {
    let authority = Authority::new();
    let tls = authority.server(SERVER_NAME, Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    let files = Files::new(&authority, "token");
    let mut client = Running::start(files.settings(istiod.address()));
    client.until_complete().await;
    files.write("root.pem", "half a fi");
    let both = format!("{}{}", authority.root(), Authority::new().root());
    files.write("root.pem", &both);
    client.until(|client| client.epoch() == Some(2)).await;
    assert_eq!(client.ends("root_changed"), 1);
    assert_eq!(istiod.seen().most_open, 1);
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_read_anew_for_each_stream() {
    let authority = Authority::new();
    let tls = authority.strict_server(SERVER_NAME);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    let files = Files::new(&authority, "token");
    let mut settings = files.settings(istiod.address());
    let Security::Tls(tls) = &mut settings.security else {
        unreachable!()
    };
    tls.token = None;
    tls.certificate = Some((files.path("cert.pem"), files.path("key.pem")));
    assert!(!exists(&files.path("cert.pem")));

    let mut client = Running::start(settings);
    client.until_ended("credentials").await;
    let (certificate, key) = Authority::new().workload();
    files.write("key.pem", &key);
    files.write("cert.pem", &certificate);
    client.until_ended("tls").await;
    assert_eq!(
        istiod.seen().open,
        0,
        "a certificate of somebody else does not count"
    );
    let (certificate, key) = authority.workload();
    files.write("key.pem", &key);
    files.write("cert.pem", &certificate);
    client.until_complete().await;
    assert_eq!(istiod.seen().tokens, [None]);
}

#[tokio::test]
async fn a_missing_or_empty_token_is_waited_for() {
    let authority = Authority::new();
    let tls = authority.server(SERVER_NAME, Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    let files = Files::new(&authority, "\n");
    let mut client = Running::start(files.settings(istiod.address()));
    client.until_ended("credentials").await;
    files.write("token", "t");
    client.until_complete().await;
}

#[tokio::test]
async fn tls_to_a_plaintext_port_is_told_apart() {
    let authority = Authority::new();
    let istiod = FakeIstiod::start(Scenario::Current).await;
    let files = Files::new(&authority, "token");
    let client = Running::start(files.settings(istiod.address()));
    client.until_ended("tls").await;
}

#[tokio::test]
async fn plaintext_to_a_tls_port_is_told_apart() {
    let authority = Authority::new();
    let tls = authority.server(SERVER_NAME, Validity::Now);
    let istiod = FakeIstiod::start_secure(Scenario::Current, tls).await;
    let client = Running::start(settings(istiod.address()));
    client.until_ended("cut").await;
}
