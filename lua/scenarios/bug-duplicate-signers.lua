return scenario "bug-duplicate-signers" {
  summary  = "A new view made of one view change, three times.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "duplicate-signers" },
  attack   = "padded-certificate",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
