return scenario "big-mac" {
  summary  = "A client spoils its signatures: nobody takes its requests, and no view changes for it.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "big-mac",
  phases   = { before = 2, during = 4, after = 2 },
  thresholds = { ["view_changes{phase:during}"] = { "count<1" } },
  expect   = { verdict = "holds" },
}
