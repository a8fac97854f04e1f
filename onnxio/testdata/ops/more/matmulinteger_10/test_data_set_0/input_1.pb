Bx1J
q /eFU¹ŽÌ