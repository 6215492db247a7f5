"""HTTP for online banking: strict JSON in, operations and problem details out, OpenAPI beside it.

The room knows nothing of ISO 8583, stores or modules: it speaks to the rest of the gateway
through `GatewayService`, which ``gateway.app`` implements.

=====================  ============================================================
module                 holds
=====================  ============================================================
``service``            the port: commands, views and the protocol that `app` implements
``fields``             how a word of the domain looks in JSON, and its JSON Schema
``bodies``             request bodies and what they must be
``strict_json``        bytes to JSON values, or the rule they broke
``request_reading``    headers, body and limits of one request
``authentication``     which channel is calling
``problems``           refusals as RFC 9457 problem details
``notices``            what a region does not grant, and what it would, in a problem
``card_bodies``        request bodies of the businesses in the life of a card
``businesses``         where each business in the life of a card is asked for
``business_table``     the businesses as one document
``vouchers``           the voucher of a business that was done
``endpoints``          one function per endpoint
``agency_views``       institutions with everything that their region says
``contract``           the table of endpoints: what each takes and answers
``openapi``            the contract as an OpenAPI 3.1 document
``webhooks``           the callbacks in it
``openapi_texts``      the prose of that document
``vocabulary``         stable words of answers, and what each means
``examples``           the examples in it
``docs_page``          the same document as one HTML page
``pages``              both, drawn when one is first asked for
``docs_fields``        the tables of members on that page
``docs_style``         how that page looks
``refusal_catalogue``  ``docs/refusals.md``
``routes``             which application answers a path
``application``        the ASGI application
=====================  ============================================================
"""
