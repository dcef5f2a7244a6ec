"""Two companies as a seed provisions them, for tests of document 000: one with a history, and a stranger to it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from api_server import Server
from portal_member import Member, login

from voicecore.services.seeding import Seeder

SEED = """
organizations:
  - id: acme
    name: ACME Corp
    timezone: Europe/Berlin
    users:
      - {email: boss@acme.example, password: boss-password, name: Boss, roles: [admin]}
    services:
      - {id: cleaning, name: Dental Cleaning, minutes: 60, price: 80}
      - {id: whitening, name: Whitening, minutes: 30, price: 120.5}
    resources: [{id: smith, name: Dr. Smith}, {id: jones, name: Dr. Jones}]
    opening_hours: {mon: "08:00-18:00", tue: "08:00-18:00", wed: "08:00-18:00", thu: "08:00-18:00",
                    fri: "08:00-18:00", sat: "08:00-18:00", sun: "08:00-18:00"}
    agents:
      - {id: dental, name: dental_assistant, config: {language: de}}
      - id: west
        name: west_assistant
        company: {name: ACME West}
        services: [{id: cleaning_west, name: Dental Cleaning, minutes: 45, price: 70}]
        resources: [{id: west_chair, name: Dr. West}]
        opening_hours: {mon: "08:00-18:00"}
    customers:
      - id: max
        name: Max Mustermann
        email: max@example.com
        phone: "+49123456789"
        address: {street: Hauptstraße 1, city: Berlin, postal_code: "10115", country: DE}
        tags: [vip, prefers_morning]
        notes: Excellent customer, always on time
      - {id: erika, name: Erika Beispiel, phone: "+4930777888"}
      - {id: new, name: Zoë 100%_sure, email: zoe@example.com}
    calls:
      - id: first
        started_at: 2026-01-10T10:30:00Z
        duration_s: 180.4
        from_number: "+49 123 456789"
        to_number: "+4930111222"
        agent: dental
        metadata: {campaign: spring}
        analysis:
          summary: Customer called to book an appointment
          action_items: [Book appointment for dental cleaning, Send reminder 24h before]
          keywords: [appointment, cleaning, next week]
          topics: [scheduling, services]
          intent: booking
          sentiment: positive
          talk_time_ratio: 0.6543
        turns:
          - {agent: Guten Tag}
          - caller: Eine Zahnreinigung bitte 🦷
            agent: Gern
            at_s: 10
            tools: [{name: check_availability, arguments: {service: cleaning, date: ""}, result: {slots: []}}]
          - caller: Ja
            agent: Gebucht, bis dann
            heard: Gebucht
            at_s: 20
            tools: [{name: book_appointment, arguments: {service: Dental Cleaning}, result: {id: x}}]
      - {id: second, started_at: 2026-01-11T22:59:59Z, duration_s: 10, direction: outbound, agent: dental,
         from_number: "+4930111222", to_number: "+4930777888", end_reason: pipeline_failed}
      - {id: third, started_at: 2026-01-11T23:00:00Z, from_number: "+4940555666", party_name: Anna Anruf}
      - {id: fourth, started_at: 2026-01-12T08:00:00Z, duration_s: 61, from_number: "+49123456789", agent: west,
         recording_url: "https://recordings.example/4.wav", transcript: "Customer: Hallo", notes: Rückruf}
    appointments:
      - {id: a1, customer: max, resource: smith, start: 2026-01-05T09:00:00Z, minutes: 60, service: Dental Cleaning,
         status: completed}
      - {id: a2, customer: max, resource: smith, start: 2026-01-15T13:00:00Z, minutes: 60, service: Dental Cleaning,
         status: completed, call: first, source: ai_phone, created_at: 2026-01-10T10:30:20Z}
      - {id: a3, customer: max, resource: jones, start: 2026-01-20T09:00:00Z, minutes: 30, service: whitening,
         status: completed}
      - {id: a4, customer: max, resource: smith, start: 2026-01-21T09:00:00Z, minutes: 60, service: Dental Cleaning,
         status: no_show}
      - {id: a5, customer: max, resource: smith, start: 2026-01-22T09:00:00Z, minutes: 60, service: Dental Cleaning,
         status: cancelled, cancel_reason: ill}
      - {id: a6, customer: erika, resource: west_chair, start: 2026-01-26T09:00:00Z, minutes: 45, price: 70.25,
         service: Something else, status: completed, notes: First time customer}
  - id: stranger
    name: Stranger
    timezone: Asia/Kolkata
    users: [{email: eve@stranger.example, password: eve-password, roles: [admin]}]
    services: [{id: cut, name: Cut, minutes: 30, price: 20}]
    resources: [{id: chair, name: Chair}]
    opening_hours: {mon: "08:00-18:00"}
    customers: [{id: max, name: Max Fremd, phone: "+49123456789"}]
    calls: [{id: first, started_at: 2026-01-10T10:30:00Z, duration_s: 5, from_number: "+49123456789"}]
    appointments: [{id: s1, customer: max, resource: chair, start: 2026-01-05T09:00:00Z, minutes: 30, service: Cut,
                    status: completed}]
"""


async def seeded(server: Server, directory: Path) -> tuple[Member, Member]:
    """A member of the company with the history, and one of the other company."""
    file = directory / "companies.yaml"
    file.write_text(textwrap.dedent(SEED), encoding="utf-8")
    await Seeder(server.database, server.passwords).seed(file)
    boss = await login(server, "boss@acme.example", "boss-password")
    return boss, await login(server, "eve@stranger.example", "eve-password")
