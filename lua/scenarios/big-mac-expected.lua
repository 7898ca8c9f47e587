return scenario "big-mac-expected" {
  summary  = "Where requests bear MACs, one client alone changes the view again and again: a weakness to be expected of this configuration, and no bug of the code.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, authentication = "mac" },
  attack   = "big-mac",
  phases   = { before = 2, during = 4, after = 2 },
  thresholds = { ["view_changes{phase:during}"] = { "count<1" } },
  expect   = { verdict = "expected" },
}
