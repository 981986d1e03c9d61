"""Schemas that lie beside the encrypted member in a KEM or KEM2 ZIP; our own, the portal's are not public."""

from __future__ import annotations

from typing import Final

from keystore.formats.kem_document import KemVariant

_HEAD: Final = '<?xml version="1.0" encoding="utf-8"?>\n<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">\n'

_METERS: Final = (
    _HEAD
    + """\
  <xs:element name="MetersInOrder"><xs:complexType><xs:sequence>
    <xs:element name="Meter" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="MeterNo" type="xs:string"/>
      <xs:element name="SerialNo" type="xs:string"/>
      <xs:element name="EncKeys"><xs:complexType><xs:sequence>
        <xs:any processContents="skip" maxOccurs="unbounded"/>
      </xs:sequence></xs:complexType></xs:element>
      <xs:element name="MeterName" type="xs:string"/>
      <xs:element name="ConsumptionType" type="xs:string"/>
      <xs:element name="ConfigNo" type="xs:string"/>
      <xs:element name="ProgramNo" type="xs:string"/>
      <xs:element name="TypeNo" type="xs:string"/>
      <xs:element name="VendorId" type="xs:string"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence><xs:attribute name="orderid"/><xs:attribute name="schemaVersion"/></xs:complexType></xs:element>
</xs:schema>
"""
)

_DEVICES: Final = (
    _HEAD
    + """\
  <xs:element name="Devices"><xs:complexType><xs:sequence>
    <xs:element name="Device" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="ManufacturerId" type="xs:string"/>
      <xs:element name="SerialNumber" type="xs:string"/>
      <xs:element name="CustomerDeviceNumber" type="xs:string"/>
      <xs:element name="OrderNumber" type="xs:string"/>
      <xs:element name="ShortName" type="xs:string"/>
      <xs:element name="ConsumptionTypeName" type="xs:string"/>
      <xs:element name="ConfigNumber" type="xs:string"/>
      <xs:element name="ProgramNumber" type="xs:string"/>
      <xs:element name="TypeNumber" type="xs:string"/>
      <xs:element name="Keys"><xs:complexType><xs:sequence>
        <xs:element name="Key" maxOccurs="unbounded"><xs:complexType><xs:sequence>
          <xs:element name="Name" type="xs:string"/>
          <xs:element name="Value" type="xs:hexBinary"/>
        </xs:sequence></xs:complexType></xs:element>
      </xs:sequence></xs:complexType></xs:element>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence><xs:attribute name="schemaVersion"/></xs:complexType></xs:element>
</xs:schema>
"""
)

SCHEMA_FILES: Final = {
    KemVariant.KEM: ("meter_information_file.xsd", _METERS),
    KemVariant.KEM2: ("device_information_file.xsd", _DEVICES),
}
"""Member name and text by generation."""
