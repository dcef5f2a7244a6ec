from media_server import House, error_codes, events

async def test_a(house: House) -> None:
    import time
    t=time.time()
    result = await house.call(turns=2)
    print(time.time()-t, result.ended_by, result.close_code, result.turns, result.problems, result.underruns)
    d = await house.ended(result.identity.call_sid)
    print(d)
    print(house.logged)
    assert 0
