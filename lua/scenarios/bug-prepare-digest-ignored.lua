return scenario "bug-prepare-digest-ignored" {
  summary  = "Votes counted whatever digest they name, and a leader that tells two stories.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, bug = "prepare-digest-ignored" },
  attack   = "equivocate-half",
  args     = { share = 1/3, omit_requests = true },
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
