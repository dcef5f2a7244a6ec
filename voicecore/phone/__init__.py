"""The far end of a call: a carrier that speaks Twilio's protocol, and a caller who talks into it.

It knows the wire and nothing of the server behind it; the command line, the demo call and the load
generator all place their calls with it.
"""
