use super::*;

/// Returns the lines of the metric, without those of other metrics and of buckets.
fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start) && !line.contains("_bucket")).collect()
}

#[test]
fn what_is_counted_is_shown_under_its_name() {
    let metrics = Metrics::new();
    metrics.record(RecordKind::Event);
    metrics.record(RecordKind::LogicalMessage);
    metrics.events(EventResult::Committed, 3);
    metrics.event(EventResult::Duplicate);
    let handler = metrics.handler("user-created");
    handler.delivery(Outcome::Committed);
    metrics.handler("user-created").delivery(Outcome::Committed);
    handler.delivery(Outcome::Dead);
    handler.failure("fuel");
    handler.ran(Duration::from_micros(30), 1_000);
    handler.log_lines_dropped(7);
    handler.escalation("effect_of");
    metrics.batch(500);
    metrics.batch_cut("size");
    metrics.commit(Duration::from_millis(12));
    metrics.event_latency(1_000, 1_040);
    metrics.transaction_redone("conflict");
    metrics.fault(Service::Mongodb);
    metrics.partitions_owned(12);
    metrics.partition_stopped("t", 4, true);
    metrics.handler_away("slow", true);
    metrics.handler_stopped("bad", "tripped", true);
    let text = metrics.render();
    for line in [
        "weir_records_total{kind=\"event\"} 1",
        "weir_records_total{kind=\"logical_message\"} 1",
        "weir_records_total{kind=\"tombstone\"} 0",
        "weir_events_total{result=\"committed\"} 3",
        "weir_events_total{result=\"duplicate\"} 1",
        "weir_deliveries_total{handler=\"user-created\",outcome=\"committed\"} 2",
        "weir_deliveries_total{handler=\"user-created\",outcome=\"dead\"} 1",
        "weir_failures_total{handler=\"user-created\",reason=\"fuel\"} 1",
        "weir_delivery_seconds_count{handler=\"user-created\"} 1",
        "weir_delivery_fuel_total{handler=\"user-created\"} 1000",
        "weir_log_lines_dropped_total{handler=\"user-created\"} 7",
        "weir_escalations_total{handler=\"user-created\",cause=\"effect_of\"} 1",
        "weir_batches_total 1",
        "weir_batch_events_sum 500.0",
        "weir_batch_cuts_total{cause=\"size\"} 1",
        "weir_commit_seconds_sum 0.012",
        "weir_event_latency_seconds_sum 0.04",
        "weir_transactions_redone_total{cause=\"conflict\"} 1",
        "weir_faults_total{service=\"kafka\"} 0",
        "weir_faults_total{service=\"mongodb\"} 1",
        "weir_partitions_owned 12",
        "weir_partition_stopped{topic=\"t\",partition=\"4\"} 1",
        "weir_handler_away{handler=\"slow\"} 1",
        "weir_handler_stopped{handler=\"bad\",cause=\"tripped\"} 1",
        "weir_oldest_uncommitted_seconds 0.0",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
    }
    assert_eq!(
        lines(&text, "weir_build_info"),
        [format!("weir_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))]
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn lag_is_of_the_partitions_owned() {
    let metrics = Metrics::new();
    metrics.lag("t", 0, 10);
    metrics.lag("t", 1, 5);
    metrics.lag("t", 0, 7);
    metrics.partition_stopped("t", 1, true);
    assert_eq!(metrics.total_lag(), 12);
    metrics.partition_gone("t", 1);
    let text = metrics.render();
    assert_eq!(lines(&text, "weir_lag_records"), ["weir_lag_records 7"]);
    let only = "weir_partition_lag_records{topic=\"t\",partition=\"0\"} 7";
    assert_eq!(lines(&text, "weir_partition_lag_records"), [only]);
    assert!(lines(&text, "weir_partition_stopped").is_empty());
}

#[test]
fn ages_and_memory_are_of_the_moment_of_the_question() {
    let metrics = Metrics::new();
    metrics.oldest_uncommitted(Some(clock::now_ms() - 5_000));
    let text = metrics.render();
    let value = |name: &str| -> f64 {
        let line = lines(&text, name).pop().expect("the metric is shown");
        line.rsplit(' ').next().expect("a line ends in its value").parse().expect("a value is a number")
    };
    assert!((5.0..60.0).contains(&value("weir_oldest_uncommitted_seconds")), "{text}");
    assert!(value("process_resident_memory_bytes") > 1_048_576.0, "{text}");
}

/// Returns each metric as `/metrics` names it, with its type and unit.
fn shown() -> Vec<String> {
    let metrics = Metrics::new();
    // A family without a member is not shown.
    let handler = metrics.handler("h");
    handler.failure("fuel");
    handler.escalation("e");
    metrics.batch_cut("c");
    metrics.transaction_redone("r");
    metrics.lag("t", 0, 1);
    metrics.partition_stopped("t", 0, true);
    metrics.handler_away("h", false);
    metrics.handler_stopped("h", "paused", false);
    let text = metrics.render();
    let unit = |name: &str| {
        let start = format!("# UNIT {name} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().to_owned()
    };
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let row = |(name, kind): (&str, &str)| {
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let unit = unit(name);
        format!("| `{name}{suffix}` | {kind} | {unit}{}", if unit.is_empty() { "|" } else { " |" })
    };
    types.map(row).collect()
}

#[test]
fn the_page_for_operators_has_every_metric_and_no_other() {
    let shown = shown();
    let source = include_str!("metrics.rs");
    let registered = source.matches(".register(").count() + source.matches(".register_with_unit(").count();
    assert_eq!(shown.len(), registered, "a metric is registered that this test does not show: {shown:#?}");
    let page = include_str!("../../../../docs/operating.md");
    for row in &shown {
        assert!(page.lines().any(|line| line.starts_with(row.as_str())), "docs/operating.md lacks {row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `weir_") || line.starts_with("| `process_"));
    assert_eq!(rows.count(), shown.len(), "docs/operating.md has a metric that there is not");
}
