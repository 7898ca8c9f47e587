return attack "reorder-and-duplicate" {
  summary  = "The network delivers messages in another order and several times.",
  source   = "Castro & Liskov, OSDI'99, section 2 (the network may fail to deliver, delay, duplicate, or reorder)",
  tags     = { "safety", "network" },
  kinds    = { "request", "propose", "vote", "certificate", "new_view", "view_change", "checkpoint" },
  args     = {
    share  = { 0.5, "share of the messages that are touched, 0 to 1", min = 0, max = 1 },
    window = { 0.02, "a reordered message is due at a random time within so many seconds", min = 0, max = 86400 },
    copies = { 3, "extra copies of a duplicated one", min = 1, max = 1000 },
  },
  expect   = { safety = true, liveness = true },
  verdict  = "holds  exactly once  12003 requests, each executed once",

  on_message = function(c, m, a)
    local x = c:random(m)
    if x >= a.share then return end
    if x < a.share / 2 then return reorder(a.window) end
    return duplicate(a.copies)
  end,
}
