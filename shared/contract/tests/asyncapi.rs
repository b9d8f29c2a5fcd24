//! The document of the messages against the code: the same types, the same names at the broker, and the
//! same attributes as the golden events.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test fail as the test does")]

use contract::{
    CHANGES_EXCHANGE, ChangeNotice, DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE, DELIVERY_LIMIT, EPOCH_HEADER,
    EVENTS_EXCHANGE, MESSAGE_EVENTS_MAX, QUEUE_MESSAGES_MAX, RECEIPTS_EXCHANGE, Store, queues,
};
use domain::{Event, ID_MAX, PARTS};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(include_str!("../../../docs/asyncapi.json")).unwrap()
}

fn golden() -> Vec<Value> {
    serde_json::from_str(include_str!("../golden/events.json")).unwrap()
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("there is no {pointer}"))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// What a reference leads to.
fn target<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    at(document, reference["$ref"].as_str().unwrap().strip_prefix('#').unwrap())
}

/// Every reference in a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    if value.get("$ref").is_some() {
        found.push(value);
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|value| references(value, found)),
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_messages_are_the_types_of_events_notices_and_receipts() {
    let document = document();
    let messages = at(&document, "/components/messages");
    let expected = Event::TYPE_NAMES.into_iter().chain(["ChangeNotice", "Receipt"]).collect();
    assert_eq!(keys(messages), expected);
    for name in Event::TYPE_NAMES {
        assert_eq!(messages[name]["name"], name);
        assert_eq!(messages[name]["payload"]["allOf"][1]["properties"]["type"]["const"], name);
    }
    let batch = at(&document, "/components/schemas/EventBatch");
    let types = batch["items"]["oneOf"].as_array().unwrap();
    let types: Vec<&Value> = types.iter().map(|reference| target(&document, reference)).collect();
    assert_eq!(types, Event::TYPE_NAMES.map(|name| &messages[name]["payload"]));
    assert_eq!(batch["maxItems"], MESSAGE_EVENTS_MAX);
    assert_eq!(at(&document, "/info/version"), env!("CARGO_PKG_VERSION"));
}

#[test]
fn exchanges_and_queues_are_those_of_the_code() {
    let document = document();
    let channels = at(&document, "/channels");
    let (events, changes, dead) = (&channels["events"], &channels["changes"], &channels["dead"]);
    assert_eq!(at(events, "/bindings/amqp/exchange/name"), EVENTS_EXCHANGE);
    let address = events["address"].as_str().unwrap();
    let numbers = at(events, "/parameters/queue/enum").as_array().unwrap().iter();
    let documented = numbers.map(|number| address.replace("{queue}", number.as_str().unwrap()));
    assert!(documented.eq(queues()));
    let arguments = at(events, "/x-queue/arguments");
    assert_eq!(arguments["x-delivery-limit"], DELIVERY_LIMIT);
    assert_eq!(arguments["x-max-length"], QUEUE_MESSAGES_MAX);
    assert_eq!(arguments["x-dead-letter-exchange"], DEAD_LETTER_EXCHANGE);
    assert_eq!(*at(events, "/messages/EventBatch/headers/required"), json!([EPOCH_HEADER]));
    assert_eq!(changes["address"], CHANGES_EXCHANGE);
    assert_eq!(at(changes, "/bindings/amqp/exchange/name"), CHANGES_EXCHANGE);
    let receipts = &channels["receipts"];
    assert_eq!(receipts["address"], RECEIPTS_EXCHANGE);
    assert_eq!(at(receipts, "/bindings/amqp/exchange/name"), RECEIPTS_EXCHANGE);
    assert_eq!(dead["address"], DEAD_LETTER_QUEUE);
    assert_eq!(at(dead, "/bindings/amqp/queue/name"), DEAD_LETTER_QUEUE);
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "only {} references were found", found.len());
    for reference in found {
        let _ = target(&document, reference);
    }
}

#[test]
fn events_have_the_documented_attributes_and_fields() {
    let document = document();
    let event = at(&document, "/components/schemas/CloudEvent");
    assert_eq!(at(event, "/properties/part/maximum"), PARTS - 1);
    assert_eq!(at(&document, "/components/schemas/Id/maximum"), ID_MAX);
    let (golden, mut seen) = (golden(), BTreeSet::new());
    for golden in &golden {
        let (attributes, required) = (keys(golden), texts(&event["required"]));
        assert!(required.is_subset(&attributes), "{golden}");
        seen.extend(attributes);
        let message = &at(&document, "/components/messages")[golden["type"].as_str().unwrap()];
        let data = target(&document, at(message, "/payload/allOf/1/properties/data"));
        assert_eq!(keys(&golden["data"]), keys(&data["properties"]), "{golden}");
        assert_eq!(keys(&golden["data"]), texts(&data["required"]), "{golden}");
    }
    assert_eq!(seen, keys(&event["properties"]));
}

#[test]
fn notices_and_receipts_have_the_documented_fields_and_stores() {
    let document = document();
    let schema = at(&document, "/components/schemas/ChangeNotice");
    let written: Vec<Value> = [Store::Primary, Store::Meta]
        .map(|store| ChangeNotice::of(store, Vec::new()).write().unwrap())
        .map(|body| serde_json::from_slice(&body).unwrap())
        .into();
    assert_eq!(keys(&written[0]), texts(&schema["required"]));
    let whole: Value = serde_json::from_str(include_str!("../golden/change_notice.json")).unwrap();
    assert_eq!(keys(&whole), keys(&schema["properties"]));
    assert_eq!(keys(&whole["origin"]), keys(&schema["properties"]["origin"]["properties"]));
    let receipt: Value = serde_json::from_str(include_str!("../golden/receipt.json")).unwrap();
    let schema_of_receipts = at(&document, "/components/schemas/Receipt");
    assert_eq!(keys(&receipt), keys(&schema_of_receipts["properties"]));
    assert!(texts(&schema_of_receipts["required"]).is_subset(&keys(&receipt)));
    let stores = written.iter().map(|notice| notice["store"].as_str().unwrap()).collect();
    assert_eq!(texts(at(schema, "/properties/store/enum")), stores);
}
