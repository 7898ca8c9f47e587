return attack "silent-leader" {
  summary  = "The leader of the present view falls silent for good; the others must go on without it.",
  source   = "Castro & Liskov, Practical Byzantine Fault Tolerance, OSDI'99, section 4.4 (view changes)",
  tags     = { "liveness", "silence" },
  kinds    = "all",
  args     = { replies = { true, "also keep its replies from the clients" } },
  expect   = { safety = true, liveness = true },
  verdict  = "holds  bounded recovery  first decision after one view change; the silent leader is one of f",

  traitors = function(c) return { c:leader(c.view) } end,

  on_message = function(c, m, a)
    if not c:is_traitor(m.from) then return end
    if m.kind == "reply" and not a.replies then return end
    return drop("a silent leader says nothing")
  end,
}
