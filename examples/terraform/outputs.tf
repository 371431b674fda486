# Only values that stay as they are: an output that changes by itself would show as a change in every plan.
output "guests" {
  description = "Which domid and which user each guest has."
  value = {
    for key, guest in stockade_guest.web : key => { domid = guest.domid, uid = guest.uid, state = guest.state }
  }
}

output "isolation" {
  description = "The state of each layer, as the live processes show it."
  value = {
    for key, evidence in data.stockade_guest_evidence.web :
    key => { for name, layer in evidence.layers : name => layer.state }
  }
}

output "probes" {
  description = "What an attacker would try on each host and what stops it, by the last run of the probes."
  value       = { for key, host in stockade_host.this : key => try(host.probe_report.results, null) }
}
