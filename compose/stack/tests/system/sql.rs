//! The databases of a stack, by psql: the test's own look at what is there.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use crate::stack::Stack;

/// One database as one role.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    url: String,
    password: String,
}

impl Database {
    /// The primary as its owner.
    pub(crate) fn primary(stack: &Stack) -> Self {
        Self::of(stack, "PRIMARY")
    }

    /// Meta as its owner.
    pub(crate) fn meta(stack: &Stack) -> Self {
        Self::of(stack, "META")
    }

    fn of(stack: &Stack, name: &str) -> Self {
        let file = stack.operator_env(&format!("{name}_PASSWORD_FILE"));
        let password = fs::read_to_string(file).unwrap().trim().to_owned();
        Self { url: stack.operator_env(&format!("{name}_URL")), password }
    }

    /// The same database as the role that a service has.
    pub(crate) fn as_role(&self, stack: &Stack, role: &str) -> Self {
        let password = fs::read_to_string(stack.data.join("secrets").join(role)).unwrap().trim().to_owned();
        Self { url: self.url.replace("//reviews_owner@", &format!("//{role}@")), password }
    }

    /// Runs a statement; the rows as lines of fields, or what Postgres said against it.
    pub(crate) fn try_rows(&self, statement: &str) -> Result<Vec<Vec<String>>, String> {
        let output = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-w", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", &self.url])
            .args(["-c", statement])
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "5")
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// Runs a statement that must succeed.
    pub(crate) fn rows(&self, statement: &str) -> Vec<Vec<String>> {
        self.try_rows(statement).unwrap_or_else(|error| panic!("{error}\n{statement}"))
    }

    /// The first column of a statement that must succeed.
    pub(crate) fn column(&self, statement: &str) -> Vec<String> {
        self.rows(statement).into_iter().filter_map(|row| row.into_iter().next()).collect()
    }

    /// The number that a statement answers.
    pub(crate) fn number(&self, statement: &str) -> i64 {
        let column = self.column(statement);
        let number = column.first().and_then(|text| text.parse().ok());
        number.unwrap_or_else(|| panic!("no number but {column:?} from {statement}"))
    }

    /// Holds what a statement locks until the answer is dropped.
    pub(crate) fn hold(&self, statement: &str) -> Held {
        let mut psql = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d", &self.url])
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "5")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = psql.stdin.take().unwrap();
        writeln!(stdin, "BEGIN; {statement};\n\\echo held").unwrap();
        let mut lines = BufReader::new(psql.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "held"), "{statement}");
        psql.stdin = Some(stdin);
        Held(psql)
    }
}

/// A transaction that stays open.
#[derive(Debug)]
pub(crate) struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // The end of its input ends it, and its transaction with it.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
