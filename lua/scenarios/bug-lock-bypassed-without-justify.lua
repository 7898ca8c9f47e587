return scenario "bug-lock-bypassed-without-justify" {
  summary  = "Replicas that vote for any proposal without a certificate: a traitor begins anew from the genesis block.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "lock-bypassed-without-justify" },
  attack   = "forking",
  args     = { genesis = true },
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
