return scenario "bug-invalid-masks-valid" {
  summary  = "A broken certificate at the head of a view change, and all that is behind it is forgotten.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 2, checkpoint_interval = 4, window = 16, bug = "invalid-masks-valid" },
  attack   = "forge-prepared",
  args     = { mask = true },
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
