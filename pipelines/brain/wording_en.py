"""The receptionist's English."""

from __future__ import annotations

from pipelines.brain.wording import Text, Wording

_SENTENCES: dict[str, Text] = {
    "how_can_i_help": "How can I help you?",
    "sure_what": "Of course. What can I do for you?",
    "hello": "Hello! How can I help you?",
    "take_your_time": "Of course, take your time.",
    "nothing_heard": ("Sorry, I didn't catch that.", "I'm afraid I still couldn't hear you."),
    "not_understood": ("Sorry, I didn't quite get that.", "I'm sorry, I still didn't understand."),
    "rephrase": (
        "Could you say that in other words?",
        "You can ask me a question, or book, move or cancel an appointment. What would you like?",
    ),
    "rephrase_plain": ("Could you say that in other words?", "You can ask me a question about us. What is it?"),
    "anything_else": "Is there anything else I can do for you?",
    "welcome": "You're welcome. Is there anything else I can do for you?",
    "goodbye": "Thank you for calling {company_name}. Goodbye!",
    "goodbye_unbooked": "All right, I have not changed anything. Thank you for calling {company_name}. Goodbye!",
    "dropped": "All right, I have not changed anything. Is there anything else I can do for you?",
    "no_answer": "I'm afraid I don't know that.",
    "cannot_book": "I'm afraid I can't make appointments myself.",
    "failed": "I'm sorry, something went wrong on my side.",
    # opening hours
    "hours": "We are open {hours}.",
    "hours_span": "{days} from {opens} to {closes}",
    "hours_days": "{first} to {last}",
    "hours_none": "I'm afraid I don't have our opening hours here.",
    "hours_day": "On {date} we are open from {opens}.",
    "hours_range": "{opens} to {closes}",
    "hours_closed": "On {date} we are closed.",
    "hours_next": "We are open again on {date}, from {opens}.",
    "hours_yes_then": "Yes, on {date} at {time} we are open.",
    "hours_no_then": "No, on {date} at {time} we are closed.",
    "hours_yes_now": "Yes, we are open right now, until {closes}.",
    "hours_no_now": "No, we are closed right now.",
    "services": "We offer {services}.",
    "services_none": "I'm afraid I don't have a list of our services here.",
    # asking
    "ask_service": ("What would you like to come in for?", "Which service do you need: {services}?"),
    "ask_day": ("What day would suit you?", "Please tell me the day, for example next Tuesday."),
    "ask_day_time": (
        "What day and time would suit you?",
        "Please tell me a day and a time, for example Tuesday at ten.",
    ),
    "ask_time": ("What time would you like?", "Please tell me a time, for example half past two."),
    "ask_time_on": "On {date} we have times between {first} and {last}. What time would you like?",
    "ask_time_only": "On {date} only {first} is free. What time would you like?",
    "ask_name": ("What name shall I put it under?", "Please tell me your first and last name, or spell it."),
    "ask_name_find": ("What name is the appointment under?", "Please tell me your first and last name."),
    "ask_phone": (
        "What is your telephone number?",
        "Please tell me your telephone number, digit by digit.",
    ),
    "ask_which_field": (
        "What would you like to change: the service, the day, the time, or the name?",
        "Please tell me what to change, for example: Wednesday at four.",
    ),
    # offers
    "time_taken": "I'm sorry, {time} on {date} is not free.",
    "time_over": "That time has already passed.",
    "day_over": "That day has already passed.",
    "closed_on": "We are closed on {date}.",
    "full_on": "We are fully booked on {date}.",
    "none_in_window": "I have nothing free then.",
    "date_conflict": "I'm not sure which day you mean.",
    "nothing_free": "I'm sorry, I found nothing free then.",
    "offer_one": "I could offer you {offers}. Would that suit you?",
    "offer_some": "I could offer you {offers}. Which would you like?",
    "offer_other": "What other day or time would suit you?",
    "offer_day": "{date} at {times}",
    "taken_meanwhile": "I'm sorry, that time has just been taken.",
    # read-back; what must be heard comes first, the question last
    "readback": "Let me repeat: {service}, on {date} at {time}, for {name}{phone}.",
    "readback_number": "Let me repeat: {service}, on {date} at {time}, under your telephone number{phone}.",
    "readback_phone": ", telephone {digits}",
    "shall_book": ("Shall I book it?", "Shall I book it? Please say yes or no."),
    "readback_move": "I will move your {service} from {old_date} at {old_time} to {date} at {time}.",
    "shall_move": ("Is that right?", "Shall I move it? Please say yes or no."),
    "readback_cancel": "I found your {service} on {date} at {time}.",
    "shall_cancel": ("Shall I cancel it?", "Shall I cancel it? Please say yes or no."),
    "booked": "Your {service} is booked for {date} at {time}.",
    "moved": "Done. Your {service} is now on {date} at {time}.",
    "cancelled": "Your {service} on {date} at {time} is cancelled.",
    "kept": "All right, it stays as it is. Is there anything else I can do for you?",
    # existing appointments
    "found_one": "Your {service} is on {date} at {time}.",
    "found_move": "I found your {service} on {date} at {time}.",
    "found_none": ("I can't find an appointment under your number.", "I can't find an appointment under that name."),
    "which_one": "I found {count}: {appointments}. Which one do you mean?",
    "appointment": "{service} on {date} at {time}",
    "when_to": "When would you like to come instead?",
    # call-back
    "offer_callback": ("Shall I have a colleague call you back?", "Would you like a call back? Please say yes or no."),
    "trouble": "I'm sorry, I have trouble understanding you.",
    "no_transfer": "I can't put you through, but a colleague can call you back.",
    "callback_done": "A colleague will call you back soon.",
    "callback_refused": "All right.",
    # orders
    "ask_order": ("What would you like to order?", "Please tell me what you would like to order."),
    "readback_order": "I have noted: {order}.",
    "shall_order": ("Shall I pass that on?", "Shall I pass that on? Please say yes or no."),
    "ordered": "I have passed it on. A colleague will call you back to confirm it.",
}

ENGLISH = Wording("en", _SENTENCES, "or", "and")
