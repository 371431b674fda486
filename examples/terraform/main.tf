# One restricted guest on one host, with the proof of its isolation.
terraform {
  required_providers {
    stockade = {
      source  = "stockade/stockade"
      version = "~> 0.1"
    }
  }
}

provider "stockade" {
  fleet = var.fleet
  hosts = var.hosts
}

# Prepares the host: directories, unit template, logger user; and tries whether its layers hold, once and for each new text.
resource "stockade_host" "this" {
  for_each = var.hosts
  name     = each.key
  probes   = var.probes == null ? null : { run = var.probes }
}

# One user per possible guest.
resource "stockade_qemu_users" "this" {
  for_each   = stockade_host.this
  host       = each.value.id
  scheme     = "per-domain"
  last_domid = 32
}

# The guest. Every layer of isolation is on; there is nothing to switch on.
resource "stockade_guest" "web" {
  for_each     = stockade_qemu_users.this
  host         = each.value.host
  users        = each.value.id
  name         = "web1"
  memory_mib   = var.memory_mib
  accelerator  = var.accelerator
  kernel       = { file = var.kernel }
  initrd       = { file = var.initrd }
  command_line = "console=ttyS0 quiet"
}

# What the live processes show, layer by layer.
data "stockade_guest_evidence" "web" {
  for_each   = stockade_guest.web
  host       = each.value.host
  guest      = each.value.name
  generation = each.value.generation
}
