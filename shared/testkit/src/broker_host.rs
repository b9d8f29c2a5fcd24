//! A virtual host of the broker for each test.

use broker::BrokerAddress;
use sqlx::{Connection, PgConnection};

/// A virtual host that only this test uses.
#[derive(Debug, Clone)]
pub struct BrokerHost {
    /// Its address, with the password in it.
    pub url: String,
    /// The same, as services use it.
    pub address: BrokerAddress,
}

/// The next unused virtual host. The test server has a fixed number of them, made at its start, and
/// each run of the tests has a server of its own.
pub async fn broker_host() -> BrokerHost {
    let mut connection = PgConnection::connect(&crate::environment("TEST_PRIMARY_URL"))
        .await
        .expect("the test server answers");
    let number: i64 = {
        let mut transaction = connection.begin().await.expect("a transaction");
        // CREATE ... IF NOT EXISTS of two sessions at once fails in one of them.
        sqlx::query("SELECT pg_advisory_xact_lock(7)").execute(&mut *transaction).await.expect("the lock");
        sqlx::query("CREATE SEQUENCE IF NOT EXISTS broker_host MINVALUE 0")
            .execute(&mut *transaction)
            .await
            .expect("the sequence");
        let number = sqlx::query_scalar("SELECT nextval('broker_host')")
            .fetch_one(&mut *transaction)
            .await
            .expect("the next number");
        transaction.commit().await.expect("the commit");
        number
    };
    let hosts: i64 = crate::environment("TEST_BROKER_VHOSTS").parse().expect("a number of virtual hosts");
    assert!(
        number < hosts,
        "the test broker has only {hosts} virtual hosts: raise their number in the stack tool"
    );
    let url = format!("{}/test-{number}", crate::environment("TEST_BROKER_URL"));
    let address = BrokerAddress::read(&url, None).expect("the broker's address");
    BrokerHost { url, address }
}
